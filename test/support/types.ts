/** True where the two are one type. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Says yes to nothing but `true`: what does not hold fails the build. */
export function expectType<_Holds extends true>(): void {}
