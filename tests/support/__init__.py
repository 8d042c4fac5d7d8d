"""What several kinds of tests share: worlds, templates of them, and the command line in this process."""
