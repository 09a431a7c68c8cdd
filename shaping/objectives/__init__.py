"""From a design to the objective that it climbs, and back.

objective    the weight w(p) of the mean gradient, exactly; bernstein, its values and its sign
recognize    which objective has that weight; limits.py and large.py, as groups grow
dynamics     noise of the gradient, time to learn
explain      all of it for one design; words.py says it

goal         an objective, read; disguise.py, whether it is a polynomial; minimax.py and slopes.py, if it is none
closed       what groups are paid for it, as a formula; baselines.py, less what
derive       the text of a design that climbs it; header.py, what it says of itself
"""
