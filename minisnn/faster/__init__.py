"""The same equations, faster: fast twins of the pairs in `ops`, and `fast`, which makes a network of them.

A file with the name of one in `ops` holds its twins: the same functions, signatures and caches. The others compute
the same in other ways (Winograd, batch norm joined with neurons, a CUDA kernel, Adam by blocks), or hold the fast
stages and what all of them share. Each says at its head what it gains, where that is explained, and which test holds
it. Nothing in `ops` and no stage knows this package: whoever builds a network (a recipe) or runs one (a `Run`) chooses.
"""

from minisnn.faster.walk import fast, twins

__all__ = ["fast", "twins"]
