"""Snowplow: enriched events, tab-separated lines without a header.

Facts from "Enriched stream TSV file format", "Timestamps" and "Canonical event model" in Snowplow's documentation.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from nsm_pipeline.events.files import UnusableFile
from nsm_pipeline.events.reading import read_lines
from nsm_pipeline.events.senders.preset import Preset

HEADER = """app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
    v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid geo_country
    geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization ip_domain
    ip_netspeed page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery
    page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment refr_medium
    refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts se_category se_action
    se_label se_property se_value unstruct_event tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state
    tr_country ti_orderid ti_sku ti_name ti_category ti_price ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min
    pp_yoffset_max useragent br_name br_family br_version br_type br_renderengine br_lang br_features_pdf
    br_features_flash br_features_java br_features_director br_features_quicktime br_features_realplayer
    br_features_windowsmedia br_features_gears br_features_silverlight br_cookies br_colordepth br_viewwidth
    br_viewheight os_name os_family os_manufacturer os_timezone dvce_type dvce_ismobile dvce_screenwidth
    dvce_screenheight doc_charset doc_width doc_height tr_currency tr_total_base tr_tax_base tr_shipping_base
    ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network etl_tags dvce_sent_tstamp
    refr_domain_userid refr_device_tstamp derived_contexts domain_sessionid derived_tstamp event_vendor event_name
    event_format event_version event_fingerprint true_tstamp"""
COLUMNS = tuple(HEADER.split())
CONTEXTS, DERIVED, EVENT = (COLUMNS.index(name) + 1 for name in ("contexts", "derived_contexts", "unstruct_event"))

SNOWPLOW = Preset.of(
    {ending + packed: "snowplow" for ending in ("", ".tsv", ".txt") for packed in ("", ".gz")},
    {
        "event_id": "event_id",
        # A structured event's own name is its action: event_name is 'event' for all of them.
        "event_name": ["se_action", "event_name", "event"],
        # True where the tracker states it, derived from the device's and the collector's clocks, else when collected.
        "occurred_at": ["true_tstamp", "derived_tstamp", "collector_tstamp"],
        "received_at": "collector_tstamp",
        "user_id": "user_id",
        "properties": "unstruct_event",
    },
    zone="UTC",
    keep=True,
)

# iglu:com.acme/userAccount/jsonschema/1-0-0 is contexts_com_acme_user_account_1, as warehouses name its column.
SCHEMA = "regexp_extract(json_extract_string(entity, '$.schema'), '^iglu:([^/]+)/([^/]+)/[^/]+/([0-9]+)', {})"
VENDOR, NAME, MODEL = (SCHEMA.format(group) for group in (1, 2, 3))
SNAKE = f"regexp_replace({NAME}, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')"
ENTITY = (
    f"lower(regexp_replace('contexts_' || {VENDOR} || '_' || {SNAKE}, '[^A-Za-z0-9_]', '_', 'g') || '_' || {MODEL})"
)
WIDTH = f"format('has {{}} fields where an enriched event has {len(COLUMNS)}', len(f))"


def _json(column: int) -> str:
    return f"nullif(f[{column}], '')"


def _data(column: int) -> str:
    return f"coalesce(json_extract({_json(column)}, '$.data[*]'), [])"


# The other columns as members of an object; in this way it takes half as long as through a map.
PLAIN = ", ".join(
    f"',\"{name}\":' || to_json({_json(column)})"
    for column, name in enumerate(COLUMNS, start=1)
    if column not in (CONTEXTS, DERIVED, EVENT)
)
# Empty columns are left out, the self-describing event is its data, entities are lists of their data by name.
RECORDS = f"""CREATE OR REPLACE TEMP VIEW records AS
    WITH fields AS (SELECT row_number, line, damaged, string_split(rtrim(line, E'\\r'), E'\\t') AS f
        FROM lines WHERE line <> ''),
    checked AS (SELECT *, CASE WHEN damaged THEN 'not UTF-8 text' WHEN len(f) <> {len(COLUMNS)} THEN {WIDTH}
        WHEN NOT (json_valid(coalesce({_json(CONTEXTS)}, '{{}}')) AND json_valid(coalesce({_json(DERIVED)}, '{{}}'))
            AND json_valid(coalesce({_json(EVENT)}, '{{}}')))
        THEN 'contexts, derived_contexts or unstruct_event is not readable as JSON' END AS problem FROM fields),
    entities AS (SELECT *, CASE WHEN problem IS NULL THEN
        list_transform(list_concat({_data(CONTEXTS)}, {_data(DERIVED)}),
            lambda entity: {{'name': {ENTITY}, 'data': json_extract(entity, '$.data')}}) END AS e FROM checked)
    SELECT row_number, CASE WHEN problem IS NULL THEN '{{' || concat({PLAIN},
            CASE WHEN f[{EVENT}] <> ''
                THEN ',"unstruct_event":' || coalesce(json_extract({_json(EVENT)}, '$.data.data'), 'null') END,
            list_aggregate(list_transform(list_distinct(list_transform(e, lambda one: one.name)),
                lambda name: ',' || to_json(name) || ':' || to_json(list_transform(
                    list_filter(e, lambda one: one.name = name), lambda one: one.data))), 'string_agg', '')
            )[2:] || '}}' END AS record, problem, line AS raw FROM entities"""


def open_snowplow(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create `records` over one file of enriched events. Raises UnusableFile where its last line is cut off."""
    read_lines(connection, path)
    connection.execute(RECORDS)
    if not path.name.endswith(".gz") and not path.read_bytes().endswith(b"\n"):
        last = connection.execute("SELECT problem FROM records ORDER BY row_number DESC LIMIT 1").fetchone()
        if last and str(last[0]).startswith("has "):
            raise UnusableFile("truncated: the last line ends early; the file is cut off or still being written")
