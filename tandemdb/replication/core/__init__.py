"""The protocol's core: what a primary and a secondary say and do. No I/O, no clock, no random: all are passed in.

    primary.py --- messages.py ---> secondary.py       log.py: what is kept for those who lag
      | peer.py: one secondary      | blocks.py        catch_up.py: by log, by blocks, by digests, by all blocks
    levels.py, limits.py: what a commit waits for, and how long     identity.py, outcomes.py: epochs, commits in doubt
"""
