"""The `trichord` command: thin files that parse, call and print."""
