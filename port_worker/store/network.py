"""placeholder until w/network is merged"""

KIND = "network"
