"""`bench --driver http`: the same load on an HTTP endpoint of an app that runs already."""
