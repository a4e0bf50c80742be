"""Things to grasp, push and throw: any mesh as a body with mass, inertia, convex parts and its own looks."""
