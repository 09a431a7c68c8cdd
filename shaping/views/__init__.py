"""Designs for people to look at.

show       one design in a terminal
profile    its curves as numbers; plots.py draws them, compare.py sets two side by side
report     one page of many (page/), with formulas typeset (typeset.py) and described (describe.py)
"""
