"""The programs on both sides of stox, and stox itself: one file each, all of them on 127.0.0.1."""
