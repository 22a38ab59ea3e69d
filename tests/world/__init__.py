"""The whole exporter in a simulated world: clock, network, disk, cloud and operators under one seed."""
