/** Which keys carry a tag. Keys without tags cost nothing. */
export class TagIndex {
  readonly #keysOf = new Map<string, Set<string>>();
  readonly #tagsOf = new Map<string, readonly string[]>();

  /** The key must not be in the index. */
  add(key: string, tags: readonly string[]): void {
    if (tags.length === 0) return;
    this.#tagsOf.set(key, tags);
    for (const tag of tags) {
      const keys = this.#keysOf.get(tag);
      if (keys === undefined) this.#keysOf.set(tag, new Set([key]));
      else keys.add(key);
    }
  }

  remove(key: string): void {
    const tags = this.#tagsOf.get(key);
    if (tags === undefined) return;
    this.#tagsOf.delete(key);
    for (const tag of tags) {
      const keys = this.#keysOf.get(tag)!;
      keys.delete(key);
      if (keys.size === 0) this.#keysOf.delete(tag);
    }
  }

  /** The keys that carry the tag, as an array of their own: they may be removed while it is walked. */
  keys(tag: string): string[] {
    return [...(this.#keysOf.get(tag) ?? [])];
  }

  clear(): void {
    this.#keysOf.clear();
    this.#tagsOf.clear();
  }
}
