"""Weekly rows → evidence → Great Expectations verdict per week → certificate. Pure: no files, no Dagster."""
