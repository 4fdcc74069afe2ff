"""The registry: what instances live in, are made from and are asked by.

Namespaces with their quotas, definitions, tokens, and the answers of writes that may be repeated.
"""
