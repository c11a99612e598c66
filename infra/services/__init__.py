"""Installs, starts, watches and stops the servers of the scale-out shape on a bare Debian 12, without containers. Uses
nothing but Python's standard library, so that it runs before anything is installed."""
