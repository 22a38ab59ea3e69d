"""The vendor's services, one module or package each, and what they share. Pure: no sockets, files or clocks."""
