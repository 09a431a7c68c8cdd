"""YAML text → formulas with every name resolved, and what each of them means.

    document      text → keys and values that know their place
    expression    one formula → nodes (nodes.py), by the table of names and functions (vocabulary.py)
    sections      a file → its formulas; params.py has `params:`, size.py the limits
    evaluate      the exact value of a formula for one group; reductions.py has sums, quantiles ...

Imports nothing of the other rooms.
"""
