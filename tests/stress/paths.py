"""Makes the helpers of the other test folders importable."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("integration", "oracle"):
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), folder))
