"""The stages that networks are made of, one short file for each kind.

A new stage is one new file here, or anywhere outside: nothing else has to know it.
"""
