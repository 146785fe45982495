import { problem, type Problem, type ProblemCode, type ProblemMembers } from './problems.ts'

/** Thrown anywhere in a request to answer with a problem; `headers` go with it. */
export class HttpProblem extends Error {
  readonly problem: Problem
  readonly headers: Record<string, string>

  constructor(
    code: ProblemCode,
    members: ProblemMembers = {},
    headers: Record<string, string> = {},
  ) {
    super(members.detail ?? code)
    this.name = 'HttpProblem'
    this.problem = problem(code, members)
    this.headers = headers
  }
}
