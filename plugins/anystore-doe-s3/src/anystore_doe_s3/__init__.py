"""Amazon S3 for anystore-doe."""
