"""Judging definitions: does a use case have a North Star that deserves the name? Pure: declarations and sightings in,
grades and findings out. Files are read in `steps`, pages printed in `cli`."""
