"""What the platform would do about a finding, and does when a person has said yes.

proposing.py writes proposals, deciding.py takes a person's decision and does what was approved.
Nothing is ever done without one: no other module here or above calls an act.
"""
