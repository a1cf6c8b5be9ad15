"""What `bench/gateway.py` puts around the gateways that it measures: a model server and a client on
loopback, both of them of sockets and bytes alone, so that neither is what takes the time."""
