# Sourced by ./run, ./test and the demo: farthing_build PRESET [cmake --build arguments...]; sets build_dir.
farthing_build() {
    local preset=$1 log
    shift
    build_dir=$source_dir/build/$preset
    if ! mkdir -p "$build_dir" 2>/dev/null || [[ ! -w $build_dir ]]; then
        # Somebody else's tree: build in our own cache.
        build_dir=${XDG_CACHE_HOME:-$HOME/.cache}/farthing/build/$preset
        mkdir -p "$build_dir"
    fi
    # One build at a time in a folder; tests run side by side.
    exec 8>"$build_dir/.lock"
    flock 8
    log=$build_dir/build.log
    if [[ ! -e $build_dir/build.ninja ]]; then
        if ! (cd "$source_dir" && cmake --preset "$preset" -B "$build_dir") >"$log" 2>&1 8>&-; then
            cat "$log" >&2
            flock -u 8
            return 1
        fi
    fi
    if [[ -t 2 ]]; then
        cmake --build "$build_dir" "$@" >&2 8>&- || { flock -u 8; return 1; }
    elif ! cmake --build "$build_dir" "$@" >"$log" 2>&1 8>&-; then
        cat "$log" >&2
        flock -u 8
        return 1
    fi
    flock -u 8
    exec 8>&-
}
