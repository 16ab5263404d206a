# Usage: remove-tree FOLDER...
# Removes the folders, last first, where we made them and nothing is in them.
cd /
for ((i = $#; i > 0; i--)); do remove_directory "${!i}"; done
