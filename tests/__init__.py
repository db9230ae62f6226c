from modules.bindings.node import start_for_command
from modules.bindings.prepare import prepare

# The bindings of the commands, before a test imports cdktf. They take two thirds of the time of complete ones, to which
# test_provider.py compares them.
start_for_command(hcl=False)
prepare()
