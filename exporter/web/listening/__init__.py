"""Who may connect, and for how long: sockets, limits of connections, TLS, users, names of the host."""
