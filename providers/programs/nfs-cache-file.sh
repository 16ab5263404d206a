# shellcheck shell=bash
# make_cache_file FILE BYTES: a file of just that size, all of it allocated, with an empty ext4 in it. It has another
# name until it is whole.
make_cache_file() {
  local new=$1.jts-new
  rm --force -- "$1" "$new"
  (umask 077 && : >"$new")
  # Of btrfs: no compression, and no copy at each write, so that it never takes more than its size.
  if [[ $(stat --file-system --format=%T -- "$new") == btrfs ]]; then chattr +C -- "$new"; fi
  # mkfs discards what is there, and may zero it by holes: those are filled. So it zeroes the tables of inodes, too,
  # which the kernel would do later, by holes in the loop device. Nobody needs room that is kept for root.
  if fallocate --length "$2" -- "$new" &&
    mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0 -m 0 -L jts-nfs-cache "$new" &&
    fallocate --length "$2" -- "$new"; then
    sync -- "$new"
    mv --no-target-directory -- "$new" "$1"
    sync -- "${1%/*}"
  else
    rm --force -- "$new"
    return 1
  fi
}
