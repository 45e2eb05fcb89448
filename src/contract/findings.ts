import { z } from 'zod';

/** What a check found wrong, and what mends it. */
const complaintSchema = z.strictObject({
  /** An error stops tasks, or puts a site or a secret at risk; a warning does so later; a note is to be known. */
  level: z.enum(['error', 'warning', 'note']),
  /** In lower case and without a full stop, as errors say it. */
  message: z.string().min(1),
  /** What to do: a full sentence, with the command where there is one. */
  hint: z.string().min(1),
});
export type Complaint = z.infer<typeof complaintSchema>;

/** A complaint with the check it comes from and the place it is about; neither server nor site: the master as a whole. */
export const findingSchema = complaintSchema.extend({
  check: z.string().min(1),
  server: z.string().optional(),
  site: z.string().optional(),
});
export type Finding = z.infer<typeof findingSchema>;

/** The document of `kedge doctor --json`. */
export const doctorReportSchema = z.strictObject({
  /** True when there is neither error nor warning. */
  ok: z.boolean(),
  /** With `--sweep`: what was removed before the checks were made. */
  removed: z.array(z.string()).optional(),
  findings: z.array(findingSchema),
});
export type DoctorReport = z.infer<typeof doctorReportSchema>;
