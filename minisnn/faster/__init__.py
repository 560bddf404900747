"""The same equations, faster: fast twins of the pairs in `ops`, and `fast`, which makes a network of them.

A file here has the name of its plain twin, the same functions, signatures and caches, and says at its head what it
gains, which chapter explains it, and which test holds it equal to its twin. Nothing in `ops` and no stage knows this
package: whoever builds a network (a recipe) or runs one (a `Run`) chooses.
"""

from minisnn.faster.walk import fast, twins

__all__ = ["fast", "twins"]
