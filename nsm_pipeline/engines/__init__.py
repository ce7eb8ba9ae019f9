"""What runs the queries. DuckDB for now; metrics are Ibis expressions, so that another engine can join."""
