"""What a design claims of itself → proved, exhausted, searched, a counterexample, or not decided.

claims      the section `claims:`, read
decide      a claim → its verdict, by the three that follow
symbolic    identities, proved for groups of every size
exhaust     every 0/1 group up to a size; rules.py has one claim on one row of them
search      other batches (case.py): cases.py makes them, of the numbers of values.py; statements.py has one claim on
            one batch, shrink.py makes smaller what breaks it
judge       files → lines for people; also what shaping/pytest_plugin.py reports
"""
