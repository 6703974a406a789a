"""What ``file://`` and the archives share: files that appear whole or not at all, and the system's errors as ours."""
