"""What zip and tar share: the rules for members, decompressors, and the writing of folders and of archives."""
