"""Model versions on disk: immutable folders with checksums, published and activated atomically."""
