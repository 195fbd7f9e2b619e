"""What each section of HIPAA asks for, one sentence in our own words. Pure data.

Keys are the ids of compliance/catalog/hipaa.yaml; a test holds both together. The law's text is
45 CFR Part 164; these sentences are no quotation of it and take nothing away from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CRITERIA: Final[Mapping[str, str]] = {
    "164.308(a)(1)(i)": "There are policies to prevent, detect, contain and correct violations of "
    "security, and they are followed.",
    "164.308(a)(1)(ii)(A)": "Risks to electronic health information are assessed thoroughly, and "
    "the assessment covers every system that holds it.",
    "164.308(a)(1)(ii)(B)": "Measures bring those risks down to a level that is reasonable.",
    "164.308(a)(1)(ii)(C)": "Workforce members who break the rules face a sanction that is "
    "written down.",
    "164.308(a)(1)(ii)(D)": "Logs, access reports and incident records are looked at regularly.",
    "164.308(a)(2)": "One named person answers for the security of electronic health information.",
    "164.308(a)(3)(i)": "Whoever works with the information has the access the work needs, and "
    "nobody else has any.",
    "164.308(a)(3)(ii)(A)": "Who works with the information, or where it can be reached, is "
    "authorised or supervised.",
    "164.308(a)(3)(ii)(B)": "It is checked whether a person's access is appropriate.",
    "164.308(a)(3)(ii)(C)": "Access ends when the work of a person ends.",
    "164.308(a)(4)(i)": "Access is authorised in keeping with the Privacy Rule.",
    "164.308(a)(4)(ii)(A)": "A clearinghouse inside a larger body keeps its information apart.",
    "164.308(a)(4)(ii)(B)": "There is a way in which access is granted.",
    "164.308(a)(4)(ii)(C)": "Rights of access are set up, reviewed and changed on record.",
    "164.308(a)(5)(i)": "All of the workforce is made aware of security and trained in it.",
    "164.308(a)(5)(ii)(A)": "Reminders about security go out from time to time.",
    "164.308(a)(5)(ii)(B)": "Malicious software is guarded against, detected and reported.",
    "164.308(a)(5)(ii)(C)": "Attempts to log in are watched, and odd ones are reported.",
    "164.308(a)(5)(ii)(D)": "Passwords and keys are made, changed and kept safe by a procedure.",
    "164.308(a)(6)(i)": "There is a procedure for security incidents.",
    "164.308(a)(6)(ii)": "Incidents are recognised and answered, their harm is limited, and they "
    "are written down with their outcome.",
    "164.308(a)(7)(i)": "There is a plan for emergencies that damage systems with the information.",
    "164.308(a)(7)(ii)(A)": "Exact copies of the information are made and can be got back.",
    "164.308(a)(7)(ii)(B)": "Lost information can be restored.",
    "164.308(a)(7)(ii)(C)": "Critical work goes on, protected, while an emergency lasts.",
    "164.308(a)(7)(ii)(D)": "The plans are tested and revised.",
    "164.308(a)(7)(ii)(E)": "It is known which applications and data matter most.",
    "164.308(a)(8)": "Technical and other safeguards are evaluated from time to time, and when "
    "something changes.",
    "164.308(b)(1)": "A business associate handles the information only once it has bound "
    "itself to safeguard it.",
    "164.308(b)(2)": "A business associate asks the same of its subcontractors.",
    "164.308(b)(3)": "What they are bound to stands in a written contract or arrangement.",
    "164.310(a)(1)": "Physical access to systems is limited to those who are authorised.",
    "164.310(a)(2)(i)": "Facilities can be entered to restore data in an emergency.",
    "164.310(a)(2)(ii)": "Facilities and equipment are safeguarded against intrusion and theft.",
    "164.310(a)(2)(iii)": "Who enters is checked by role or function, visitors included.",
    "164.310(a)(2)(iv)": "Repairs to the physical parts of security are written down.",
    "164.310(b)": "It is laid down what workstations are used for, how, and in what surroundings.",
    "164.310(c)": "Workstations are safeguarded physically.",
    "164.310(d)(1)": "Hardware and media that hold the information come, go and move by a rule.",
    "164.310(d)(2)(i)": "Information and the media that hold it are disposed of for good.",
    "164.310(d)(2)(ii)": "Information is removed before media are used again.",
    "164.310(d)(2)(iii)": "Moves of hardware and media are recorded, and who answers for them.",
    "164.310(d)(2)(iv)": "A copy that can be got back is made before equipment moves.",
    "164.312(a)(1)": "Systems let in only those persons and programs that were granted access.",
    "164.312(a)(2)(i)": "Each user has a name or number of their own by which they are tracked.",
    "164.312(a)(2)(ii)": "There is a way to the information in an emergency.",
    "164.312(a)(2)(iii)": "A session ends after a time without activity.",
    "164.312(a)(2)(iv)": "Information at rest is encrypted and can be decrypted.",
    "164.312(b)": "Activity in systems with the information is recorded and can be examined.",
    "164.312(c)(1)": "The information is not altered or destroyed improperly.",
    "164.312(c)(2)": "It can be shown that the information was not altered without authority.",
    "164.312(d)": "It is verified that whoever seeks access is who they claim to be.",
    "164.312(e)(1)": "Information is guarded while it is sent over networks.",
    "164.312(e)(2)(i)": "A change on the way is detected.",
    "164.312(e)(2)(ii)": "Information is encrypted on the way wherever that is appropriate.",
    "164.314(a)(1)": "Contracts with business associates meet the rule.",
    "164.314(a)(2)(i)": "The contract asks for safeguards, for the same of subcontractors, and for "
    "reports of incidents and breaches.",
    "164.314(a)(2)(ii)": "Government bodies may use another arrangement that does the same.",
    "164.314(a)(2)(iii)": "The same holds between a business associate and its subcontractor.",
    "164.314(b)(1)": "A group health plan's documents bind the plan sponsor to safeguards.",
    "164.314(b)(2)": "They say which safeguards, who is bound by them, and that incidents are "
    "reported.",
    "164.316(a)": "There are policies and procedures for all of the above.",
    "164.316(b)(1)": "Policies, and actions or assessments the rule asks for, are written down.",
    "164.316(b)(2)(i)": "They are kept for six years from making, or from when they last held.",
    "164.316(b)(2)(ii)": "Those who carry them out can get at them.",
    "164.316(b)(2)(iii)": "They are reviewed from time to time and kept up to date.",
    "164.402": "A use that was not permitted counts as a breach unless four factors show a low "
    "probability that the information was compromised.",
    "164.404(a)": "Each individual whose unsecured information was breached is told.",
    "164.404(b)": "They are told without unreasonable delay, within 60 days of discovery.",
    "164.404(c)": "The notice says what happened, which information, what to do, what is done, and "
    "whom to ask.",
    "164.404(d)": "It is sent in writing, by a substitute where addresses fail, and by telephone "
    "where it is urgent.",
    "164.406": "Media are told of a breach of more than 500 residents of a state, within 60 days.",
    "164.408": "The Secretary is told: at once with the individuals from 500 persons on, else "
    "within 60 days of the year's end.",
    "164.410": "A business associate tells the covered entity, 60 days after discovery at the "
    "latest.",
    "164.412": "A notice waits when law enforcement says that it would harm an inquiry, 30 days at "
    "most without writing.",
    "164.414(a)": "Training, complaints, sanctions and policies also cover breach notices.",
    "164.414(b)": "It can be proven that each notice was given, or was not needed.",
    "164.502(b)": "No more information is used, disclosed or asked for than the purpose needs.",
    "164.528": "An individual can get a list of disclosures of the six years before, with date, "
    "recipient, what and why.",
}
