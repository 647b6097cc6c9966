"""Intel's oneCCL as the carrier of collectives between CPU processes, under the name ``rho_oneccl``.

Accelerators bring their own (``xccl`` has oneCCL inside). This one makes the same library, transports and environment
variables run on nodes without an Intel GPU: to prove the route, and where a site's fabric suits it better than gloo.
"""
