"""What a design claims of itself → proved, exhausted, searched, or a counterexample.

claims      the section `claims:`, read
decide      a claim → its verdict, by the three that follow
symbolic    identities, proved for groups of every size
rules       one claim on one row of groups
search      groups that 0/1 rewards do not show
batches     the groups that it makes
judge       files → lines for people; also what shaping/pytest_plugin.py reports
"""
