/**
 * What each shell sources. They ask `kedge complete` with the words up to the cursor; it answers a candidate a line, its
 * description behind a tab, and `:files` as last line where paths may stand.
 */
export const COMPLETION_SCRIPTS = {
  bash: `# bash completion for kedge. Put it in your ~/.bashrc:  source <(kedge completion bash)
_kedge() {
  local IFS=$'\\n' line point=\${COMP_LINE:0:COMP_POINT}
  local -a words answers
  COMPREPLY=()
  # Words as they stand on the line: COMP_WORDS is split at colons and equal signs too.
  IFS=$' \\t\\n' read -r -a words <<<"$point"
  [[ $point == *[[:space:]] ]] && words+=('')
  mapfile -t answers < <(kedge complete -- "\${words[@]:1}" 2>/dev/null)
  # The part of the word that readline replaces begins behind the last colon or equal sign.
  local whole=\${words[-1]} current=\${COMP_WORDS[COMP_CWORD]}
  [[ $current == [:=] ]] && current=
  local before=\${whole%"$current"}
  for line in "\${answers[@]}"; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      COMPREPLY+=($(compgen -f -- "$current"))
    else
      line=\${line%%$'\\t'*}
      COMPREPLY+=("\${line#"$before"}")
    fi
  done
}
complete -F _kedge kedge
`,
  zsh: `#compdef kedge
# zsh completion for kedge. Put it in your ~/.zshrc, behind compinit:  source <(kedge completion zsh)
_kedge() {
  local line value description
  local -a values shown
  local files=
  for line in "\${(@f)$(kedge complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      files=yes
      continue
    fi
    value=\${line%%$'\\t'*}
    description=\${line#*$'\\t'}
    [[ -n $value ]] || continue
    values+=("$value")
    shown+=("$value\${description:+  -- $description}")
  done
  (( \${#values} )) && compadd -l -d shown -a values
  [[ -n $files ]] && _files
  return 0
}
(( \${+functions[compdef]} )) && compdef _kedge kedge
`,
  fish: `# fish completion for kedge. Keep it:  kedge completion fish > ~/.config/fish/completions/kedge.fish
function __kedge_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (kedge complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ':files'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c kedge -f -a '(__kedge_complete)'
`,
} as const;
export type Shell = keyof typeof COMPLETION_SCRIPTS;
