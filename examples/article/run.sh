#!/usr/bin/env bash
set -e # a line that fails ends the script: the run counts as failed, whatever stands below
# The case is unpacked in this folder already, and what is new here afterwards is pushed to ${s3_output}.
# With CONVERGE itself the line would be its usual one:
#   mpirun -machinefile "$ANYSTORE_DOE_MACHINEFILE" -np "$ANYSTORE_DOE_CORES" converge --super
converge --super --cores "$ANYSTORE_DOE_CORES"
