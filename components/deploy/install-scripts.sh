# Usage: bash -c "$THIS" install-scripts DELIVERED TARGET [LINK], the manifest (lines of sha256sum) on standard input
# Installs the scripts that were just delivered, once each is proved to be what was sent; removes those of the last
# manifest that are in this one no more; takes the delivered copies away. LINK leads to the script of its name.
set -euo pipefail
delivered=$1 target=$2 link=${3-}
manifest=$(cat)
# What is installed is root's: a link would have it written elsewhere.
refuse_link() { [[ ! -L $1 ]] || {
  echo "$1 is a symbolic link; look whose it is, and take it away" >&2
  exit 1
}; }
refuse_link "$target"
if [[ -n $link && -e $link || -L $link ]] && [[ $(readlink -- "$link") != "$target/${link##*/}" ]]; then
  echo "$link exists already and isn't ours; move it away" >&2
  exit 1
fi
make_link() { [[ -z $link ]] || ln --symbolic --force --no-target-directory -- "$target/${link##*/}" "$link"; }
# The state has the delivery, which a loss of power can take before it is on the disk.
ask_for_delivery() {
  echo "$1: run pulumi up --replace on the CopyToRemote resource" >&2
  exit 1
}
paths() { sed 's/^[0-9a-f]\{64\}  //'; }
if [[ ! -d $delivered ]]; then
  # Nothing was delivered because nothing changed.
  cd -- "$target" && sha256sum --quiet --check --strict <<<"$manifest" && make_link && exit 0
  ask_for_delivery "$target isn't as declared, and nothing was delivered"
fi
# The copy of a folder is the folder itself, or what is in it, by the path it was given and what was there before.
from=$delivered
if [[ -d $delivered/scripts ]]; then from=$delivered/scripts; fi
(cd -- "$from" && sha256sum --quiet --check --strict <<<"$manifest") || ask_for_delivery "$delivered isn't what was sent"
install --directory --owner=root --group=root --mode=755 -- "$target"
refuse_link "$target/.manifest"
mapfile -t wanted < <(paths <<<"$manifest")
# Of each folder all at once: a process a file takes its time on a slow host.
new=$target/.new
rm --recursive --force -- "$new"
declare -A names=() is_wanted=()
for path in "${wanted[@]}"; do
  is_wanted[$path]=yes
  folder=/$path
  # Names of ours have no white space.
  names["${folder%/*}/"]+=" ${path##*/}"
done
for folder in "${!names[@]}"; do
  refuse_link "$target${folder%/}"
  read -r -a files <<<"${names[$folder]}"
  install --directory --owner=root --group=root --mode=755 -- "$target$folder" "$new$folder"
  install --owner=root --group=root --mode=755 --target-directory="$new$folder" -- "${files[@]/#/$from$folder}"
  mv --target-directory="$target$folder" -- "${files[@]/#/$new$folder}"
done
rm --recursive --force -- "$new"
if [[ -e $target/.manifest ]]; then
  while read -r path; do [[ -n ${is_wanted[$path]-} ]] || rm --force -- "$target/$path"; done < <(paths <"$target/.manifest")
fi
printf '%s\n' "$manifest" >"$target/.manifest"
(cd -- "$target" && sha256sum --quiet --check --strict .manifest)
make_link
# A loss of power must not take what the state has from now on.
sync --file-system -- "$target"
rm --recursive --force -- "$delivered"
