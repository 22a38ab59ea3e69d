"""The pure part: values and rules without sockets, files or clocks; time comes in as an argument."""
