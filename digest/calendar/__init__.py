"""The publisher's calendar: which day a rule names, what is a working day, and which instant a local time is. Pure.

It knows nothing of issues and runs, and nothing of the rest of digest: dates and texts in, dates and instants out.
"""
