"""Providers translate: data in, data out. One file each; none opens a socket."""
