"""Files that nobody would write: what reads designs, rewards and metrics ends in its own error, and soon.

contract.py says what has to hold of any bytes, grammar.py writes designs, coverage.py lets atheris find its way by the
lines it reaches, campaign.py runs both and counts. What they found is in tests/test_hostile.py.
"""
