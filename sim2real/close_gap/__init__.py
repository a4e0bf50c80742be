"""The whole way from a policy that fails on a robot to one that does not, in one command."""
