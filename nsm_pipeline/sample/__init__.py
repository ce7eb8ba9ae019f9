"""A sample home: usage events, account snapshots and settings of a made-up company, Example Forge.

What belongs here: the public names of the sample. Everything random comes from
``numpy.random.default_rng`` with seeds made of ``SampleSpec.seed`` and the week, so the same
arguments give the same bytes, and weeks are made and written one at a time.

Rooms: ``spec`` (what is asked for and reported), ``timeline`` (the calendar and where incidents lie),
``accounts`` (who exists), ``activity`` (who is active, how strongly, week by week), ``volume`` (how
many events of each name), ``senders`` / ``ci`` / ``security`` / ``compliance`` (the events),
``arrow_text`` (text at the speed of numpy), ``delivery`` (when rows arrive, in which file),
``formats`` (files), ``faults`` (deliberate damage), ``write`` (the loop that joins them).
"""

from nsm_pipeline.sample.spec import Incident, SampleSpec, SampleSummary
from nsm_pipeline.sample.write import SampleClash, write_sample

__all__ = ["Incident", "SampleClash", "SampleSpec", "SampleSummary", "write_sample"]
