"""Where interactions and items come from: SQLite, CSV and Parquet, read into columns."""
