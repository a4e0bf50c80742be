"""What things are made of: classes of materials with their published ranges, and what is believed of an object's voxels."""
