"""`run.py MODULES [CHECK ...]`: runs the checks of modules (separated by commas) on the device that libcuda.so.1 offers."""

import sys

import checking

if __name__ == "__main__":
    modules = sys.argv[1].split(",")
    if modules != ["candle"]:
        checking.stop_at_ptx()
    checking.main(modules, sys.argv[2:])
