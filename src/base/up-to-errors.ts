import { Settings } from 'typebox/system'

/** Has `list`, which must not wait for anything, get up to so many errors of TypeBox: it stops at 8 by itself. */
export function upToErrors<T>(maxErrors: number, list: () => T): T {
  const before = Settings.Get().maxErrors
  Settings.Set({ maxErrors })
  try {
    return list()
  } finally {
    Settings.Set({ maxErrors: before })
  }
}
